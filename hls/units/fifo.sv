// fifo - holds up to Depth words and gives them in order.
//
// Depth 2 is two registers: one cycle from x to y. More words lie in a memory in front of an output register: two
// cycles from x to y, one word a cycle. Both ready and valid are registers, so a fifo cuts every long path.
// Style: 0 the tool chooses, 1 LUT memory, 2 block RAM.

module fifo #(
  parameter int unsigned Bits  = 8,
  parameter int unsigned Depth = 2,
  parameter int unsigned Style = 0
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            x_valid_i,
  output logic            x_ready_o,
  input  logic [Bits-1:0] x_data_i,
  output logic            y_valid_o,
  input  logic            y_ready_i,
  output logic [Bits-1:0] y_data_o
);
  if (Depth < 2) begin : check_1
    $error("fifo: Depth=%0d must be at least 2", Depth);
  end

  if (Depth == 2) begin : gen_skid
    logic [Bits-1:0] head_q, tail_q;
    logic            head_valid_q, room_q;  // room: tail holds no word

    assign x_ready_o = room_q;
    assign y_valid_o = head_valid_q;
    assign y_data_o  = head_q;

    always_ff @(posedge clk_i) begin
      if (y_ready_i || !head_valid_q) head_q <= room_q ? x_data_i : tail_q;
      if (room_q) tail_q <= x_data_i;
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        head_valid_q <= 1'b0;
        room_q       <= 1'b1;
      end else if (y_ready_i || !head_valid_q) begin
        head_valid_q <= !room_q || x_valid_i;
        room_q       <= 1'b1;
      end else if (x_valid_i) begin
        room_q <= 1'b0;
      end
    end
  end else begin : gen_memory
    localparam int unsigned Words = Depth - 1;  // the output register holds one more
    localparam int unsigned AddrBits = $clog2(Words);

    logic [AddrBits-1:0] put_q, get_q;
    logic                empty_q, room_q, valid_q, put, get;
    logic [AddrBits-1:0] put_next, get_next;

    assign put       = x_valid_i && room_q;
    assign get       = !empty_q && (!valid_q || y_ready_i);
    assign put_next  = put_q == AddrBits'(Words - 1) ? '0 : put_q + 1'b1;
    assign get_next  = get_q == AddrBits'(Words - 1) ? '0 : get_q + 1'b1;
    assign x_ready_o = room_q;
    assign y_valid_o = valid_q;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        put_q   <= '0;
        get_q   <= '0;
        empty_q <= 1'b1;
        room_q  <= 1'b1;
        valid_q <= 1'b0;
      end else begin
        if (put) put_q <= put_next;
        if (get) get_q <= get_next;
        if (put != get) begin
          empty_q <= get && get_next == put_q;
          room_q  <= get || put_next != get_q;
        end
        if (get) valid_q <= 1'b1;
        else if (y_ready_i) valid_q <= 1'b0;
      end
    end

    ram #(
      .Bits(Bits), .Words(Words), .Style(Style)
    ) words (
      .clk_i(clk_i), .put_i(put), .put_addr_i(put_q), .put_data_i(x_data_i),
      .get_i(get), .get_addr_i(get_q), .get_data_o(y_data_o)
    );
  end
endmodule
