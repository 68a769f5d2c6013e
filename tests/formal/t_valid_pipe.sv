module t #(parameter int Cycles = 3) (input logic clk, rst_n, en, valid);
  logic late;
  logic [Cycles-1:0] past;
  valid_pipe #(.Cycles(Cycles)) dut (.clk_i(clk), .rst_ni(rst_n), .en_i(en), .valid_i(valid), .valid_o(late));
  start s (.clk(clk), .rst_n(rst_n));
  always @(posedge clk) begin
    if (!rst_n) past <= 0;
    else begin
      if (en) past <= Cycles'({past, valid});
      assert (late == past[Cycles-1]);
    end
  end
endmodule
